"""Google Workspace as a provider: Gmail, Calendar and the directory. Loads Google's libraries only when a tool is called."""
