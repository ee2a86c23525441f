<?php
// A PHP application on PHP's own sessions, for `php -S`. The settings come with -d.
class Cart { public $items = ['a', 'b']; private $total = 1.5; }
enum Colour { case Red; }
session_start();
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
header('Content-Type: application/json');
if ($path === '/login') {
    session_regenerate_id(true);
    $_SESSION = json_decode(file_get_contents('php://input'), true);
    if (isset($_SESSION['special'])) { // what JSON has no word for
        $_SESSION = special();
    }
} elseif ($path === '/logout') {
    $_SESSION = [];
    setcookie(session_name(), '', 1, '/');
    session_destroy();
} elseif ($path === '/show') {
    echo json_encode((object) $_SESSION, JSON_PRESERVE_ZERO_FRACTION);
}

function special() {
    $list = ['x'];
    return [
        'user' => 'somebody', 'object' => new Cart, 'nested' => ['deep' => new Cart], 'enum' => Colour::Red, 'reference' => [&$list, &$list],
        'binary' => "\xff\x00", 'nan' => NAN, 'infinite' => INF, 'float' => 0.1, 'whole' => 3.0, 'large' => PHP_INT_MAX, 'array' => [5 => 'five', 'a' => [1, 2, [true, null]]],
        'holes' => [1 => 'b', 0 => 'a'], 'empty' => [], 'text' => "ü|;\"}{\x00",
    ];
}
