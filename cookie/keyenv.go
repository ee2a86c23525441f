package cookie

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxKeyFile is far more than any keyring needs; a larger file is a mistake.
const maxKeyFile = 64 << 10

// KeysFromEnv reads the keyring from the environment, either
//
//   - SECRET_KEY, one secret, which signs, and SECRET_KEY_FALLBACKS, any number
//     of older ones separated by commas, or
//   - SECRET_KEY_FILE, the name of a file with one secret a line, the first of
//     which signs. One final newline is not part of the last secret.
//
// A variable that is empty counts as not set. Both ways together are an error,
// and so is none, a comma in SECRET_KEY, and white space at either end of a
// secret, which is easily there in one place and missing in another. What a
// secret must be is said at [NewKeys].
//
// `coatcheck keygen` makes a secret. Keep it out of the source (ASVS 5.0
// 13.3.1), and prefer the file: an environment is inherited and often printed.
func KeysFromEnv() (*Keys, error) {
	key, fallbacks, file := os.Getenv("SECRET_KEY"), os.Getenv("SECRET_KEY_FALLBACKS"), os.Getenv("SECRET_KEY_FILE")
	var secrets []namedSecret
	switch {
	case file != "" && (key != "" || fallbacks != ""):
		return nil, errors.New("cookie: SECRET_KEY_FILE is set beside SECRET_KEY or SECRET_KEY_FALLBACKS; want one or the other")
	case file != "":
		lines, err := readKeyFile(file)
		if err != nil {
			return nil, err
		}
		for i, line := range lines {
			secrets = append(secrets, namedSecret{fmt.Sprintf("SECRET_KEY_FILE line %d", i+1), line})
		}
	case key == "" && fallbacks != "":
		return nil, errors.New("cookie: SECRET_KEY_FALLBACKS is set but SECRET_KEY is not")
	case key == "":
		return nil, errors.New("cookie: SECRET_KEY is not set; put the output of `coatcheck keygen` into it, or into a file named by SECRET_KEY_FILE")
	case strings.Contains(key, ","):
		return nil, errors.New("cookie: SECRET_KEY has a comma; want one secret there and older ones in SECRET_KEY_FALLBACKS")
	default:
		secrets = append(secrets, namedSecret{"SECRET_KEY", key})
		if fallbacks != "" {
			for i, s := range strings.Split(fallbacks, ",") {
				secrets = append(secrets, namedSecret{fmt.Sprintf("SECRET_KEY_FALLBACKS secret %d", i+1), s})
			}
		}
	}
	for _, s := range secrets {
		if strings.TrimSpace(s.secret) != s.secret {
			return nil, fmt.Errorf("cookie: %s has white space at its start or end", s.where)
		}
	}
	return newKeys(secrets)
}

func readKeyFile(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cookie: SECRET_KEY_FILE: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("cookie: SECRET_KEY_FILE: %w", err)
	}
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("cookie: SECRET_KEY_FILE is more than %d bytes; want one secret a line", maxKeyFile)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"), nil
}
