"""What Kubescape's kinds mean. Knows nothing of registries, bundles or templates."""
