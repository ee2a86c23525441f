// Package rails reads and writes the sessions of a Rails application: those in an
// encrypted cookie, as Rails has them by default, and those in Redis under private
// ids, as rack-session has them since Rack 2.0.8.
//
//	old, err := rails.New(rails.Config{
//		SecretKeyBase: os.Getenv("SECRET_KEY_BASE"),
//		Cookie:        "_shop_session",
//		UserKey:       "user_id",
//	})
//	s, err := old.Read(r)
//
// A cookie is JSON: what cookies_serializer :marshal wrote is refused. A record in
// Redis is JSON or, as redis-store has it by default, Marshal, which is read as data:
// an object of a class is refused by its name. Rails gives no protection against lost
// updates, neither in the cookie nor in Redis.
package rails
