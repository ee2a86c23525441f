// Package servers starts Redis, PostgreSQL and MariaDB from the programs that are
// installed, on free ports of the loopback interface, with folders of their
// own and with the settings that they have by themselves.
package servers
