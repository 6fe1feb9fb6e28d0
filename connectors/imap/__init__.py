"""Mail over IMAP (RFC 3501) and SMTP submission (RFC 6409), as any mail server offers them."""
