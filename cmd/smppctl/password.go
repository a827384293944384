package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alexedwards/argon2id"
	"github.com/spf13/cobra"
)

// hashParams cost one bind about 20 ms and 19 MiB: OWASP's smaller recommendation for argon2id. A node
// remembers verified binds.
func hashParams() *argon2id.Params {
	return &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// passwordMax is the longest password in octets: 9 with the closing NUL. SMPP 3.4, 5.2.2. A node takes longer ones;
// clients may not send them.
const passwordMax = 8

// maxPassword bounds what is read from standard input.
const maxPassword = 256

func newHashPassword() *cobra.Command {
	return &cobra.Command{
		Use:   "hash-password",
		Short: "Read a password from standard input and print its password_hash for a policy",
		Long: `Read a password from standard input and print its password_hash for a policy.

The password is not an argument, because arguments are seen by every user of the machine. Without
an echo on the terminal:

  read -rs P && printf %s "$P" | smppctl hash-password`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			password, err := readPassword(cmd.InOrStdin())
			if err != nil {
				return err
			}
			if len(password) > passwordMax {
				fmt.Fprintf(cmd.ErrOrStderr(), "smppctl: the password has %d octets; SMPP 3.4 gives it %d, and some clients send no more\n",
					len(password), passwordMax)
			}
			hash, err := argon2id.CreateHash(password, hashParams())
			if err != nil {
				return fmt.Errorf("hash password: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), hash)
			return err
		},
	}
}

// readPassword reads one line. Its errors do not repeat it.
func readPassword(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case password == "":
		return "", errors.New("read password: there is none on standard input")
	case len(b) > maxPassword:
		return "", fmt.Errorf("read password: more than %d octets", maxPassword)
	case strings.ContainsAny(password, "\x00\r\n"):
		return "", errors.New("read password: it has more than one line, or a NUL")
	}
	return password, nil
}
