"""What is told of requests to those who operate the server: ids, log lines, metrics, traces."""
