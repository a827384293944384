package configs

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// credentialSources are the values of source.
var credentialSources = []string{"env", "file", "profile", "instance", "oidc", "assume_role", "chain", SourceSMPP}

var (
	arnShape         = regexp.MustCompile(`^acs:ram::[0-9]{1,32}:[A-Za-z0-9._/@-]{1,256}$`)
	roleNameShape    = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	sessionNameShape = regexp.MustCompile(`^[A-Za-z0-9.@_-]{2,64}$`)
	externalIDShape  = regexp.MustCompile(`^[A-Za-z0-9=,.@:/_-]+$`)
)

const (
	arnRule = "is not the ARN of a %s; allowed: acs:ram::ACCOUNT:%s/NAME"
	// The bounds of STS, for the life of a role's keys.
	minRoleDuration = Duration(15 * time.Minute)
	maxRoleDuration = Duration(12 * time.Hour)
)

func (n *Node) checkCredentials(c *checker) {
	for _, name := range sortedKeys(n.Credentials) {
		cred, key := n.Credentials[name], "credentials."+name
		if !nameShape.MatchString(name) {
			c.addf(key, "not a name; allowed: 1 to 32 letters, digits, \".\", \"_\" and \"-\"")
		}
		c.oneOf(key+".source", cred.Source, credentialSources...)
		if !slices.Contains(credentialSources, cred.Source) {
			continue // what it would use is not known
		}
		cred.checkUse(c, key)
		cred.checkRole(c, key)
		n.checkBase(c, name)
	}
}

// checkUse faults what the source needs and does not have, or has and does not use.
func (cred *Credential) checkUse(c *checker, key string) {
	const files, roles = "file profile oidc smpp", "assume_role oidc"
	for _, k := range []struct{ name, value, usedBy, neededBy string }{
		{"file", cred.File, files, "file smpp"},
		{"profile", cred.Profile, "profile", ""},
		{"role_name", cred.RoleName, "instance", ""},
		{"role_arn", cred.RoleARN, roles, "assume_role"},
		{"oidc_provider_arn", cred.ProviderARN, "oidc", ""},
		{"base", cred.Base, "assume_role", "assume_role"},
		{"external_id", cred.ExternalID, "assume_role", ""},
		{"session_name", cred.SessionName, roles, ""},
		{"sts_endpoint", cred.STSEndpoint, roles, ""},
		{"ca_file", cred.CAFile, SourceSMPP, ""},
	} {
		users := strings.Fields(k.usedBy)
		switch {
		case k.value == "" && slices.Contains(strings.Fields(k.neededBy), cred.Source):
			c.addf(key+"."+k.name, "is missing; source: %s needs one", cred.Source)
		case k.value != "" && !slices.Contains(users, cred.Source):
			c.addf(key+"."+k.name, "is not used by source: %s; remove it, or use source: %s", cred.Source, strings.Join(users, " or "))
		}
	}
	if cred.RoleDuration != 0 && !slices.Contains(strings.Fields(roles), cred.Source) {
		c.addf(key+".role_duration", "is not used by source: %s; remove it, or use source: assume_role or oidc", cred.Source)
	}
}

// checkRole checks what names a role.
func (cred *Credential) checkRole(c *checker, key string) {
	for _, arn := range []struct{ name, value, noun, kind string }{
		{"role_arn", cred.RoleARN, "role", "role"},
		{"oidc_provider_arn", cred.ProviderARN, "provider", "oidc-provider"},
	} {
		if arn.value != "" && (!arnShape.MatchString(arn.value) || !strings.Contains(arn.value, ":"+arn.kind+"/")) {
			c.addf(key+"."+arn.name, "%s "+arnRule, quote(arn.value), arn.noun, arn.kind)
		}
	}
	if cred.RoleName != "" && !roleNameShape.MatchString(cred.RoleName) {
		c.addf(key+".role_name", "%s is not the name of a role; allowed: 1 to 64 letters, digits, \".\", \"_\" and \"-\"", quote(cred.RoleName))
	}
	if cred.SessionName != "" && !sessionNameShape.MatchString(cred.SessionName) {
		c.addf(key+".session_name", "%s is not a session's name; allowed: 2 to 64 letters, digits, \".\", \"@\", \"_\" and \"-\"", quote(cred.SessionName))
	}
	if n := len(cred.ExternalID); n == 1 || n > 1224 || n > 0 && !externalIDShape.MatchString(cred.ExternalID) {
		c.addf(key+".external_id", "is not an external id; allowed: 2 to 1,224 letters, digits and \"=,.@:/_-\"")
	}
	if cred.RoleDuration != 0 {
		c.lasting(key+".role_duration", cred.RoleDuration, minRoleDuration, maxRoleDuration)
	}
	if !isSTSEndpoint(cred.STSEndpoint) {
		c.addf(key+".sts_endpoint", "%s is not a host; allowed: host[:port], or http://host:port on loopback, for tests", quote(cred.STSEndpoint))
	}
}

// isSTSEndpoint reports whether keys may be asked for there: by TLS, or without leaving the machine.
func isSTSEndpoint(endpoint string) bool {
	if plain, ok := strings.CutPrefix(endpoint, "http://"); ok {
		_, _, valid := splitAddr(plain)
		return valid && isLoopback(plain) && !strings.HasPrefix(plain, "localhost")
	}
	host, _, valid := splitAddr(endpoint)
	return endpoint == "" || IsHost(endpoint) || valid && host != ""
}

// checkBase faults an assume_role whose base is not there, or ends at itself: nobody would have a key.
func (n *Node) checkBase(c *checker, name string) {
	key := "credentials." + name + ".base"
	for at, left := name, len(n.Credentials); n.Credentials[at].Source == "assume_role"; left-- {
		next := n.Credentials[at].Base
		switch _, ok := n.Credentials[next]; {
		case next == "":
			return // said already
		case !ok && at == name:
			c.addf(key, "%s is not among the credentials; there are: %s", quote(next), strings.Join(sortedKeys(n.Credentials), ", "))
			return
		case !ok:
			return // said there
		case ok && at == name && n.Credentials[next].Source == SourceSMPP:
			c.addf(key, "%s has a system_id, and no keys of Alibaba Cloud", quote(next))
			return
		case left == 0:
			c.addf(key, "leads in a circle; one of the entries must have another source")
			return
		}
		at = next
	}
}
