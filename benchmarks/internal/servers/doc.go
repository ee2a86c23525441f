// Package servers starts Redis and PostgreSQL from the programs that are
// installed, on free ports of the loopback interface, with folders of their
// own and with the settings that they have by themselves.
package servers
