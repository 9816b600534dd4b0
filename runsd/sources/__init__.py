"""What Python runs are made of: mirrors of git repositories, and uploads."""
