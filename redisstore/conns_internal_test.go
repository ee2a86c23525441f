package redisstore

import "testing"

// The words of servers, those of 6.2 for a command in a script among them.
func TestWrongNode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"READONLY You can't write against a read only replica.":                                                                              true,
		"ERR Error running script (call to f_0123): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.": true,
		"LOADING Redis is loading the dataset in memory":                                                                                     true,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":                                                   true,
		"CLUSTERDOWN Hash slot not served":                                                                                                   true,
		"NOSCRIPT No matching script. Please use EVAL.":                                                                                      false,
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to":                                                    false,
		"NOREPLICAS Not enough good replicas to write.":                                                                                      false,
		"OOM command not allowed when used memory > 'maxmemory'.":                                                                            false,
		"WRONGTYPE Operation against a key holding the wrong kind of value READONLY in a text":                                               false,
	} {
		if got := wrongNode(text); got != want {
			t.Errorf("%s: got %t, want %t", text, got, want)
		}
	}
}
