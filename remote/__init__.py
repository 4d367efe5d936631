"""What is fetched from elsewhere: which URLs are allowed, and downloads that keep to limits."""
