"""The project: settings, accounts, workspaces, jobs, and everything the apps stand on."""
