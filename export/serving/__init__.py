"""From a verified artifact to a folder that serves: bundle, configs, warm-up, lint and client."""
