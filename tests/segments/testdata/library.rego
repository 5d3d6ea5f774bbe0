package library.zones

of(e) := "secret" if e.labels.app == "b"

of(e) := data.zones[e.namespace.name] if not e.labels.app == "b"
