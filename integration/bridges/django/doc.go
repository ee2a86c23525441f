// Package django runs a Django application and the sessions of bridge/django on
// one browser: what each writes, the other reads.
package django
