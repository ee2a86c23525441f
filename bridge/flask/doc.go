// Package flask reads and writes the sessions of a Flask application: the signed
// cookie that Flask itself uses, and the sessions that Flask-Session keeps in Redis.
//
//	old, err := flask.New(flask.Config{SecretKey: os.Getenv("SECRET_KEY")}) // Flask's
//	s, err := old.Read(r) // s.User is what Flask-Login calls the user's id
//
// A signed cookie is the whole session: Flask makes a new one whenever the session
// changes, and a copy of an old one stays valid at Flask until it expires, after a
// logout too. bridge.MoveConfig.LoginKey tells one login from the next through that.
//
// The types of Flask's tagged JSON become JSON: a tuple a list, bytes base64 as of a
// Key[[]byte], a date RFC 3339, a UUID and Markup text. What is written back from
// here has plain JSON types. No format here protects against lost updates: of two
// requests that write at once the last wins.
package flask
