"""Human review: proposal, cards, session, terminal, page, report, and applying what was approved."""
