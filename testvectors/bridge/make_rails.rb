# Writes vectors of Rails' encrypted cookies, by the cookie jar of the Rails that
# Ruby finds.
#
#   ruby make_rails.rb > rails-6.1.json
#
# make.sh says how the newer Rails is had. Keys and times are the same at every run,
# nonces are not.

require "json"
require "logger"
require "active_support"
require "active_support/all"
require "active_support/messages/rotation_configuration"
require "action_dispatch"
require "action_dispatch/middleware/cookies"

SECRET = "new-secret-of-the-vectors-0123456789" * 3
OLD = "old-secret-of-the-vectors-0123456789" * 3
NAME = "_shop_session"
NOW = 1_764_547_200
EVERY = {
  "text" => "Grüße, 世界 🧥", "quotes" => "\"\\/\b\f\n\r\t\u0000\u007f<>&\u2028", "empty" => "",
  "true" => true, "false" => false, "nil" => nil, "zero" => 0, "int" => -42, "big" => 2**80,
  "float" => 1.5, "tiny" => 5e-324, "huge" => 1.7976931348623157e308, "nan" => Float::NAN,
  "list" => [1, [2, [3, []]], {}], "hash" => { "a" => { "b" => [nil] }, "" => 1 },
}
LOGIN = { "session_id" => "592cf4dafa84aac8b0f667d511f0f639", "user_id" => 42 }

def jar(secret: SECRET, digest: "SHA1", gcm: true, metadata: true, serializer: :json)
  keys = Object.new
  keys.define_singleton_method(:generate_key) do |salt, size = 64|
    OpenSSL::PKCS5.pbkdf2_hmac(secret, salt, 1000, size, OpenSSL::Digest.new(digest))
  end
  if digest == "SHA1" || ActiveSupport::KeyGenerator.respond_to?(:hash_digest_class)
    options = { iterations: 1000 }
    options[:hash_digest_class] = OpenSSL::Digest.const_get(digest) if ActiveSupport::KeyGenerator.respond_to?(:hash_digest_class)
    keys = ActiveSupport::KeyGenerator.new(secret, **options)
  end
  ActionDispatch::Request.new(
    "HTTP_HOST" => "shop.example",
    "rack.url_scheme" => "https",
    "action_dispatch.key_generator" => keys,
    "action_dispatch.secret_key_base" => secret,
    "action_dispatch.authenticated_encrypted_cookie_salt" => "authenticated encrypted cookie",
    "action_dispatch.encrypted_cookie_salt" => "encrypted cookie",
    "action_dispatch.encrypted_signed_cookie_salt" => "signed encrypted cookie",
    "action_dispatch.signed_cookie_salt" => "signed cookie",
    "action_dispatch.use_authenticated_cookie_encryption" => gcm,
    "action_dispatch.use_cookies_with_metadata" => metadata,
    "action_dispatch.cookies_serializer" => serializer,
    "action_dispatch.cookies_rotations" => ActiveSupport::Messages::RotationConfiguration.new,
    "action_dispatch.cookies_same_site_protection" => ->(_) { :lax },
  ).cookie_jar
end

def cookie(values, name: NAME, expires: nil, **settings)
  kept = jar(**settings)
  kept.encrypted[name] = { value: values, expires: expires, same_site: :lax }.compact
  Rack::Utils.escape(kept[name])
end

def vectors
  out = []
  [SECRET, OLD].product(%w[SHA1 SHA256], [true, false], [true, false]).each do |secret, digest, gcm, metadata|
    how = { secret: secret, digest: digest, gcm: gcm, metadata: metadata }
    { "login" => LOGIN, "empty" => {}, "every type" => LOGIN.merge(EVERY) }.each do |name, values|
      out << how.merge(name: name, data: cookie(values, **how), values: JSON.parse(ActiveSupport::JSON.encode(values)))
    end
  end
  at = Time.at(NOW + 3600)
  out << { name: "expires", secret: SECRET, digest: "SHA256", gcm: true, expires: NOW + 3600, data: cookie(LOGIN, digest: "SHA256", expires: at), values: LOGIN }
  out << { name: "another cookie", secret: SECRET, digest: "SHA256", gcm: true, data: cookie(LOGIN, name: "_other", digest: "SHA256") }
  out << { name: "marshal", secret: SECRET, digest: "SHA256", gcm: true, data: cookie(LOGIN, serializer: :marshal, digest: "SHA256") }
  out << { name: "marshal of before metadata", secret: SECRET, digest: "SHA256", gcm: true, data: cookie(LOGIN, serializer: :marshal, metadata: false, digest: "SHA256") }
  out
end

puts JSON.pretty_generate(by: "Rails #{ActionPack.version}", at: NOW, cookie: NAME, vectors: vectors)
