package flask

// For tests of what is within.
var (
	Object  = object
	Untag   = untag
	Payload = payload
)
