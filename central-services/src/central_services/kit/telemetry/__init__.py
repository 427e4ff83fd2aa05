"""OpenTelemetry for the services: what `Telemetry` records goes to the collector that the settings name."""
