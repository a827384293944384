package certs

import (
	"crypto/tls"
	"log/slog"
	"sync/atomic"
	"time"
)

// ServerFiles name what a TLS listener needs. All are PEM.
type ServerFiles struct {
	Cert     string // the certificate and its chain
	Key      string // its private key
	ClientCA string // who signs client certificates; empty: none are asked for
	Required bool   // with ClientCA: a client without a certificate is refused
	Minimum  uint16 // the lowest version of TLS; 0: 1.2
}

// Server is what a TLS listener needs, as it is in the files now.
type Server struct {
	follower
	files  ServerFiles
	config atomic.Pointer[tls.Config] // what the next handshake uses
}

// LoadServer reads the files for the first time. Its error is that of a missing or broken one.
func LoadServer(files ServerFiles, log *slog.Logger) (*Server, error) {
	s := &Server{files: files}
	s.follower = follower{
		files: []file{{"certificate", files.Cert}, {"key", files.Key}},
		use:   s.build,
		ends:  func() time.Time { return s.config.Load().Certificates[0].Leaf.NotAfter },
		log:   log,
	}
	if files.ClientCA != "" {
		s.follower.files = append(s.follower.files, file{"client CA", files.ClientCA})
	}
	if _, err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Config returns the configuration of the listener. It follows the files.
func (s *Server) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return s.config.Load(), nil
		},
	}
}

// build makes the configuration of handshakes. Sessions live for days, so nothing is gained by resuming them; and
// one that is resumed is not asked for its certificate.
func (s *Server) build(pems [][]byte) error {
	pair, err := s.pair(pems)
	if err != nil {
		return err
	}
	config := &tls.Config{
		Certificates:           []tls.Certificate{pair},
		MinVersion:             max(s.files.Minimum, tls.VersionTLS12),
		SessionTicketsDisabled: true,
	}
	if len(pems) > caFile {
		if config.ClientCAs, err = s.pool(pems); err != nil {
			return err
		}
		config.ClientAuth = tls.VerifyClientCertIfGiven
		if s.files.Required {
			config.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	s.config.Store(config)
	return nil
}
