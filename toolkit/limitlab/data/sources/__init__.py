"""Where data come from that no equation makes: shipped files, corpora, drawn pictures."""
