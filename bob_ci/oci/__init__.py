"""Generic OCI: references, descriptors, manifests, archives, stores. It knows no profiles, no bundles."""
