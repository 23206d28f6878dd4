package realserver

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
)

// mainCF is a Postfix that accepts what it is told from anybody on this machine,
// looks nothing up in the DNS and keeps everything below its own directory.
func (s *PostfixServer) mainCF(o PostfixOptions) map[string]string {
	program := find("postfix")
	usr := filepath.Dir(filepath.Dir(program))
	hostname := o.Hostname
	if hostname == "" {
		hostname = "mx.postfix.test"
	}
	conf := map[string]string{
		"compatibility_level": "3.6",
		"queue_directory":     filepath.Join(s.dir, "queue"),
		"data_directory":      filepath.Join(s.dir, "data"),
		"meta_directory":      filepath.Join(s.dir, "etc"),
		"daemon_directory":    filepath.Join(usr, "lib/postfix/sbin"),
		"command_directory":   filepath.Join(usr, "sbin"),
		"shlib_directory":     filepath.Join(usr, "lib/postfix"),
		"mail_owner":          mailOwner,
		"setgid_group":        setgidGroup,
		"default_privs":       defaultPrivs,

		"maillog_file":          s.LogFile(),
		"maillog_file_prefixes": s.dir,
		// The master passes nothing on to its daemons but what is named here.
		"import_environment": "MAIL_CONFIG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH=" + libraryPath(program),

		"myhostname":               hostname,
		"mydestination":            "",
		"mynetworks":               "127.255.255.254/32", // nobody's: a partner does not trust its clients
		"inet_interfaces":          "all",
		"inet_protocols":           "all",
		"smtpd_peername_lookup":    "no",
		"smtp_dns_support_level":   "disabled",
		"smtp_tcp_port":            "25", // by number: a minimal system has no /etc/services
		"alias_maps":               "",
		"alias_database":           "",
		"local_recipient_maps":     "",
		"default_transport":        "discard:",
		"local_transport":          "discard:",
		"relay_domains":            "static:all",
		"relay_transport":          "discard:",
		"smtpd_relay_restrictions": "reject_unauth_destination",

		// A refusal is the greeting, as at providers that judge the address.
		"smtpd_delay_reject":                      "no",
		"smtpd_client_restrictions":               "check_client_access " + s.tables.ref("access"),
		"smtpd_discard_ehlo_keyword_address_maps": s.tables.ref("discard"),

		"tls_random_source": "dev:/dev/urandom",
	}
	if o.TLS != nil {
		conf["smtpd_tls_security_level"] = "may"
		conf["smtpd_tls_loglevel"] = "1"
		conf["smtpd_tls_cert_file"] = o.TLS.CertFile
		conf["smtpd_tls_key_file"] = o.TLS.KeyFile
	}
	maps.Copy(conf, o.Conf)
	return conf
}

// services are those of the master.cf that Postfix comes with, none in a chroot.
const services = `pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

func (s *PostfixServer) masterCF(o PostfixOptions) string {
	var b strings.Builder
	b.WriteString(services)
	if o.Postscreen {
		b.WriteString("smtpd pass - - n - - smtpd\ndnsblog unix - - n - 0 dnsblog\ntlsproxy unix - - n - 0 tlsproxy\n")
	}
	for _, ap := range s.listen {
		if o.Postscreen {
			fmt.Fprintf(&b, "%s inet n - n - 1 postscreen\n", ap)
		} else {
			fmt.Fprintf(&b, "%s inet n - n - - smtpd\n", ap)
		}
	}
	return b.String() + o.Master
}
