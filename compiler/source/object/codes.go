package object

// Codes of the findings about policies.
const (
	CodeUnknown    = "NP001" // unknown field, kind or apiVersion
	CodePortRange  = "NP002" // endPort below port
	CodeEndPort    = "NP003" // endPort without a numeric port
	CodeExcept     = "NP004" // except is not a strict subset of cidr
	CodePeer       = "NP005" // peer empty, or ipBlock together with selectors
	CodeCIDR       = "NP006" // CIDR malformed (error) or with host bits (warning)
	CodeFamily     = "NP007" // except of the other address family
	CodeSelector   = "NP008" // label or selector invalid
	CodeDuplicate  = "NP009" // two policies of one name
	CodeIdentity   = "NP010" // name missing or invalid (error), namespace missing (warning)
	CodeNoSuchNS   = "NP011" // namespace not among those of the input
	CodeImpossible = "NP012" // selector that nothing can match

	CodeNameNoPod    = "NP110" // named port beside peers that are no pods
	CodeDomainAction = "NP405" // domainNames in a rule that does not accept
	CodeOnePort      = "NP410" // range of one port, or a protocol without a port
	CodeDomain       = "NP411" // not a domain name, or one that nothing can have
)

// Codes of the findings about input in general.
const (
	CodeSyntax     = "IN001" // document does not parse, or is beyond a limit
	CodeValue      = "IN002" // a field has the wrong type or an impossible value
	CodeObjectTwin = "IN003" // two objects of one identity: differing (error), equal (warning)
	CodeAddress    = "IN004" // an address belongs to two objects
	CodeNoManifest = "IN005" // not a Kubernetes manifest
	CodeSkipped    = "IN006" // a kind that has no part in policy decisions
	CodeKeyTwice   = "IN007" // a key stands twice in one mapping
)
