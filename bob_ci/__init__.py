"""Bill of Behavior: from a commit to the customer."""
