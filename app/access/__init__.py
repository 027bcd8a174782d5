"""Who may do what: keys, scopes, the request at hand."""
