"""What will break, leak or silently mean nothing on the customer's cluster: one rule, one function."""
