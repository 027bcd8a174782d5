"""The browser interface: widgets that speak HTTP to the API."""
