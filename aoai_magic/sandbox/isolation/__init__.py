"""What confines a session: namespaces, seccomp, landlock."""
