package source

// Codes of the findings about policies.
const (
	codeUnknown    = "NP001" // unknown field, kind or apiVersion
	codePortRange  = "NP002" // endPort below port
	codeEndPort    = "NP003" // endPort without a numeric port
	codeExcept     = "NP004" // except is not a strict subset of cidr
	codePeer       = "NP005" // peer empty, or ipBlock together with selectors
	codeCIDR       = "NP006" // CIDR malformed (error) or with host bits (warning)
	codeFamily     = "NP007" // except of the other address family
	codeSelector   = "NP008" // label or selector invalid
	codeDuplicate  = "NP009" // two policies of one name
	codeIdentity   = "NP010" // name missing or invalid (error), namespace missing (warning)
	codeNoSuchNS   = "NP011" // namespace not among those of the input
	codeImpossible = "NP012" // selector that nothing can match

	codeNameNoPod    = "NP110" // named port beside peers that are no pods
	codeDomainAction = "NP405" // domainNames in a rule that does not accept
	codeOnePort      = "NP410" // range of one port, or a protocol without a port
	codeDomain       = "NP411" // not a domain name, or one that nothing can have
)

// Codes of the findings about input in general.
const (
	codeSyntax     = "IN001" // document does not parse, or is beyond a limit
	codeValue      = "IN002" // a field has the wrong type or an impossible value
	codeObjectTwin = "IN003" // two objects of one identity: differing (error), equal (warning)
	codeAddress    = "IN004" // an address belongs to two objects
	codeNoManifest = "IN005" // not a Kubernetes manifest
	codeSkipped    = "IN006" // a kind that has no part in policy decisions
	codeKeyTwice   = "IN007" // a key stands twice in one mapping
)
