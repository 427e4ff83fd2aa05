"""Tests of the fleet tool."""
