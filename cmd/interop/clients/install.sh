#!/usr/bin/env bash
# Installs what the interop run needs and what is not there yet: Debian's packages, and npm's smpp in the
# directory named by the first argument, where package.json and its lock file are.
set -euo pipefail
cache=$1

need=()
[ -x /usr/sbin/bearerbox ] || command -v bearerbox >/dev/null || need+=(kannel)
perl -MNet::SMPP -e 1 2>/dev/null || need+=(libnet-smpp-perl)
perl -MEncode::GSM0338 -MJSON::PP -e 1 2>/dev/null || need+=(perl)
command -v node >/dev/null || need+=(nodejs)
command -v npm >/dev/null || need+=(npm)
command -v tshark >/dev/null && command -v dumpcap >/dev/null || need+=(tshark)

if [ ${#need[@]} -gt 0 ]; then
	if [ "$(id -u)" != 0 ]; then
		echo "only root can install: ${need[*]}" >&2
		exit 1
	fi
	# Kannel's package would start a gateway of its own.
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod 755 /usr/sbin/policy-rc.d
	fi
	export DEBIAN_FRONTEND=noninteractive
	# dpkg's syncs are most of the time, and a CI machine is not kept.
	[ -z "${CI:-}" ] || export DPKG_FORCE=unsafe-io
	apt-get update -q
	apt-get install -qy --no-install-recommends "${need[@]}" </dev/null
fi

# The lock file names each package's hash; none of them needs to run anything to be installed.
if [ ! -e "$cache/node_modules/smpp/package.json" ] ||
	! cmp -s "$cache/package-lock.json" "$cache/node_modules/installed-lock.json"; then
	(cd "$cache" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	cp "$cache/package-lock.json" "$cache/node_modules/installed-lock.json"
fi
