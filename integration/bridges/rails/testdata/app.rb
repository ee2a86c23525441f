# A Rails application with logins and sessions, several times over.
#
# The first line of standard input is a JSON list of settings; each becomes a server
# of its own. Standard output gets one line of JSON with their ports. The servers end
# when standard input does.

require "json"
require "socket"
require "rails"
require "action_controller/railtie"
require "webrick"
require "redis-rails"

class SessionsController < ActionController::Base
  protect_from_forgery with: :exception, only: :guarded

  def self.every_type
    {
      "text" => "Grüße, 世界 🧥", "quotes" => "\"\\/\b\f\n\r\t\u0000\u007f<>&\u2028", "empty" => "",
      "true" => true, "false" => false, "nil" => nil, "zero" => 0, "int" => -42, "big" => 2**80,
      "float" => 1.5, "tiny" => 5e-324, "huge" => 1.7976931348623157e308, "nan" => Float::NAN,
      "symbol" => :sym, "list" => [1, [2, [3, []]], {}], "hash" => { "a" => { "b" => [nil] }, "" => 1 },
    }
  end

  def who
    answer
  end

  def login
    kept = JSON.parse(params[:values] || "{}")
    reset_session
    session[:user_id] = Integer(params[:id])
    kept.each { |name, value| session[name] = value }
    answer
  end

  def put
    JSON.parse(params[:values]).each { |name, value| session[name] = value }
    answer
  end

  def types
    # What only Marshal knows is for the stores that have it.
    values = self.class.every_type
    values = values.merge("symbols" => { a: [:b, :b, "b", "b"] }) if params[:marshal]
    values = values.except("nan") if params[:marshal]
    values.each { |name, value| session[name] = value }
    answer
  end

  def odd
    session[:time] = Time.at(0).utc
    session[:range] = (1..2)
    session[:other] = 7
    answer
  end

  def flash_it
    flash[:notice] = "said once"
    answer
  end

  def logout
    reset_session
    answer
  end

  def token
    answer(csrf: form_authenticity_token)
  end

  def guarded
    answer
  end

  private

  def answer(more = {})
    render json: { user: session[:user_id].to_s, values: session.to_hash }.merge(more)
  end
end

# A user of Devise, of whom nothing is in a database. The id says who it is.
def devise_user
  Class.new do
    extend Devise::Models
    attr_reader :id

    # What it registers at models that are stored.
    %i[before_validation after_update].each { |name| define_singleton_method(name) { |*, **| nil } }

    def self.passwords
      @passwords ||= Hash.new { |all, id| all[id] = Devise::Encryptor.digest(self, "pw#{id}") }
    end

    # What Devise asks orm_adapter for.
    def self.to_adapter
      self
    end

    def self.get(key)
      new(Array(key).first)
    end

    def initialize(id)
      @id = id
    end

    def to_key
      [id]
    end

    def encrypted_password
      self.class.passwords[id]
    end

    devise :database_authenticatable
  end
end

# Its pages.
class PeopleController < SessionsController
  def login
    kept = JSON.parse(params[:values] || "{}")
    sign_in(User.new(Integer(params[:id])))
    kept.each { |name, value| session[name] = value }
    answer
  end

  def logout
    sign_out(:user)
    answer
  end

  def password
    User.passwords[Integer(params[:id])] = Devise::Encryptor.digest(User, "another") if params[:new]
    render json: { user: User.new(Integer(params[:id])).encrypted_password, values: {} }
  end

  private

  def answer(more = {})
    render json: { user: current_user&.id.to_s, values: session.to_hash }.merge(more)
  end
end

def application(chosen)
  app = Class.new(Rails::Application)
  app.config.load_defaults 6.1
  app.config.root = Dir.mktmpdir
  app.config.eager_load = false
  app.config.logger = Logger.new(File::NULL)
  app.config.secret_key_base = chosen.fetch("secret")
  app.config.hosts.clear
  app.config.action_dispatch.cookies_serializer = chosen.fetch("serializer", "json").to_sym
  app.config.action_dispatch.use_authenticated_cookie_encryption = chosen.fetch("gcm", true)
  app.config.action_dispatch.use_cookies_with_metadata = chosen.fetch("metadata", true)
  app.config.action_controller.default_protect_from_forgery = false # but where it says so
  store = chosen.fetch("store", { "name" => "cookie_store" })
  options = store.except("name").transform_keys(&:to_sym)
  options[:servers]&.map! do |server| # as redis-store wants them
    server = server.transform_keys(&:to_sym)
    server[:serializer] = JSON if server[:serializer] == "JSON"
    server
  end
  app.config.session_store(store.fetch("name").to_sym, **options)
  chosen.fetch("rotate", []).each { |old| rotate(app, old) }
  routes(app.config.root, chosen["devise"])
  app.initialize!
  app
end

# Devise wants its routes before all is there, as they are in a file.
def routes(root, devise)
  pages = devise ? "people" : "sessions"
  lines = %w[who login put types odd flash_it logout token guarded password].map { |name| "match '#{name}', to: '#{pages}##{name}', via: :all" }
  lines << "devise_for :users, skip: :all" if devise
  FileUtils.mkdir("#{root}/config")
  File.write("#{root}/config/routes.rb", "Rails.application.routes.draw do\n#{lines.join("\n")}\nend\n")
end

# The keys as Rails 7 derives them by default: by SHA-256.
class SHA256Keys
  def initialize(secret)
    @secret = secret
  end

  def generate_key(salt, size = 64)
    OpenSSL::PKCS5.pbkdf2_hmac(@secret, salt, 1000, size, OpenSSL::Digest.new("SHA256"))
  end
end

def rotate(app, secret)
  keys = ActiveSupport::KeyGenerator.new(secret, iterations: 1000)
  app.config.action_dispatch.cookies_rotations.tap do |cookies|
    cookies.rotate :encrypted, keys.generate_key("authenticated encrypted cookie", 32)
  end
end

def serve(socket, chosen)
  if chosen["devise"]
    require "devise"
    Devise.stretches = 4
    Object.const_set(:User, devise_user)
  end
  app = application(chosen)
  keys = SHA256Keys.new(chosen["secret"]) if chosen["digest"] == "SHA256"
  app.instance.define_singleton_method(:key_generator) { keys } if keys
  require "rack/handler/webrick"
  server = WEBrick::HTTPServer.new(DoNotListen: true, Logger: WEBrick::Log.new(File::NULL), AccessLog: [])
  server.listeners << socket
  server.mount "/", Rack::Handler::WEBrick, app
  server.start
end

wanted = JSON.parse($stdin.gets)
Process.setpgid(0, 0)
ports = wanted.map do |chosen|
  socket = TCPServer.new("127.0.0.1", 0)
  fork do
    $stdin.close
    serve(socket, chosen)
  rescue StandardError => e
    warn e.full_message
  ensure
    exit! 1
  end
  port = socket.addr[1]
  socket.close
  port
end
puts JSON.generate(version: Rails.version, ports: ports)
$stdout.flush
$stdin.read
Process.kill(:KILL, -Process.pid)
