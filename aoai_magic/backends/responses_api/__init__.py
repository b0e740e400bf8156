"""The backends, which all speak the Responses API: to a service, and to an engine of ours."""
