"""Who is signed in and what they may do: users, sessions, second factors, tokens, the audit log."""
