<?php
// A Laravel application without its skeleton, for `php -S`: the packages Illuminate
// Session, Cookie, Encryption and Auth as Debian has them, put together as the
// framework's own service providers and its group of middleware "web" do. The settings
// are in the environment: DRIVER, KEY, CIPHER, ENCRYPT, DATABASE, REDIS_PORT, FILES; and
// LARAVEL, where the packages of another release are.
error_reporting(E_ALL & ~E_DEPRECATED);
foreach (['Container', 'Encryption', 'Session', 'Cookie', 'Auth', 'Redis', 'Database', 'Http', 'Cache', 'Filesystem', 'Pipeline'] as $package) {
    require_once (getenv('LARAVEL') ?: '/usr/share/php/Illuminate') . "/$package/autoload.php";
}

use Illuminate\Http\Request;
use Illuminate\Http\Response;

class User implements Illuminate\Contracts\Auth\Authenticatable
{
    public function __construct(public $id) {}
    public function getAuthIdentifierName() { return 'id'; }
    public function getAuthIdentifier() { return $this->id; }
    public function getAuthPassword() { return ''; }
    public function getRememberToken() { return ''; }
    public function setRememberToken($value) {}
    public function getRememberTokenName() { return ''; }
}

class Users implements Illuminate\Contracts\Auth\UserProvider
{
    public function retrieveById($id) { return new User($id); }
    public function retrieveByToken($id, $token) {}
    public function updateRememberToken(Illuminate\Contracts\Auth\Authenticatable $user, $token) {}
    public function retrieveByCredentials(array $credentials) {}
    public function validateCredentials(Illuminate\Contracts\Auth\Authenticatable $user, array $credentials) {}
}

class Cart { public $items = ['a']; }

$app = new Illuminate\Container\Container;
Illuminate\Container\Container::setInstance($app);
Illuminate\Support\Facades\Facade::setFacadeApplication($app);
$app->instance('config', new class(['session' => [
    'driver' => getenv('DRIVER'), 'lifetime' => 120, 'expire_on_close' => false, 'encrypt' => (bool) getenv('ENCRYPT'), 'files' => getenv('FILES'),
    'connection' => null, 'table' => 'sessions', 'store' => 'redis', 'lottery' => [0, 100], 'cookie' => 'laravel_session', 'path' => '/', 'domain' => null,
    'secure' => false, 'http_only' => true, 'same_site' => 'lax',
]]) implements ArrayAccess {
    public function __construct(private $all) {}
    public function get($key, $default = null) { return Illuminate\Support\Arr::get($this->all, $key, $default); }
    public function offsetExists($key): bool { return $this->get($key) !== null; }
    public function offsetGet($key): mixed { return $this->get($key); }
    public function offsetSet($key, $value): void {}
    public function offsetUnset($key): void {}
});
$encrypter = new Illuminate\Encryption\Encrypter(base64_decode(getenv('KEY')), getenv('CIPHER'));
$app->instance('encrypter', $encrypter);
$app->instance(Illuminate\Contracts\Encryption\Encrypter::class, $encrypter);
$app->instance('files', new Illuminate\Filesystem\Filesystem);
if (getenv('DRIVER') === 'redis') {
    $redis = new Illuminate\Redis\RedisManager($app, 'phpredis', [
        'options' => ['prefix' => 'laravel_database_'],
        'default' => ['host' => '127.0.0.1', 'port' => (int) getenv('REDIS_PORT'), 'database' => 0],
    ]);
    $app->instance('cache', new class(new Illuminate\Cache\Repository(new Illuminate\Cache\RedisStore($redis, 'laravel_cache', 'default'))) {
        public function __construct(private $store) {}
        public function store($name) { return $this->store; }
    });
}
if (getenv('DRIVER') === 'database') {
    $db = new Illuminate\Database\Capsule\Manager;
    $db->addConnection(json_decode(getenv('DATABASE'), true) + ['prefix' => '', 'charset' => 'utf8', 'collation' => null]);
    $app->instance('db', $db->getDatabaseManager());
}
$manager = new Illuminate\Session\SessionManager($app);
$app->instance('session', $manager);
$jar = new Illuminate\Cookie\CookieJar;
$request = Request::capture();
$app->instance('request', $request);

$destination = function (Request $request) use ($jar) {
    $session = $request->session();
    $guard = new Illuminate\Auth\SessionGuard('web', new Users, $session, $request);
    $guard->setCookieJar($jar);
    switch ($request->path()) {
        case 'login':
            $values = json_decode($request->getContent(), true);
            $user = $values['user'];
            unset($values['user']);
            foreach ($values as $name => $value) {
                $session->put([$name => $value]);
            }
            if (isset($values['special'])) {
                $session->put('object', new Cart);
                $session->put('reference', [new Cart, new Cart]);
            }
            $guard->login(new User($user));
            return new Response('');
        case 'logout':
            $guard->logoutCurrentDevice();
            $session->invalidate();
            return new Response('');
        case 'show':
            $values = $session->all();
            $user = $guard->id();
            unset($values[$guard->getName()], $values['_token'], $values['_flash']);
            if ($user !== null) {
                $values['user'] = $user;
            }
            return new Response(json_encode((object) $values));
    }
    return new Response('', 404);
};

(new Illuminate\Pipeline\Pipeline($app))->send($request)->through([
    new Illuminate\Cookie\Middleware\EncryptCookies($encrypter),
    new Illuminate\Session\Middleware\StartSession($manager),
])->then($destination)->send();
