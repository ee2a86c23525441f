// Package django reads and writes the sessions of a Django application: those of
// the engines signed_cookies, db, cache and cached_db, signed by SHA-256 as since
// Django 3.1, with the serializer JSON.
//
//	old, err := django.New(django.Config{
//		Engine:       django.DB,
//		SecretKey:    os.Getenv("SECRET_KEY"), // Django's
//		DB:           db,
//		Dialect:      sqlstore.PostgreSQL,
//		PasswordHash: passwordOf,
//	})
//	s, err := old.Read(r) // s.User is the primary key of the user, as text
//
// Sessions by PickleSerializer are refused. Those of the engine cache are pickles
// whatever SESSION_SERIALIZER says: they are read as data, and a class in one is
// refused by its name. Django's format gives no protection against lost updates:
// what is issued here replaces what a request there may be writing.
package django
