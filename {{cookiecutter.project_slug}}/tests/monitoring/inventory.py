# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""An inventory to try the stock check with: the part of InvenTree's API that it asks.

uvicorn tests.monitoring.inventory:app --port 8765
"""

from __future__ import annotations

from fastapi import FastAPI, HTTPException

STOCK = {"R-10K": ("Resistor 10k", 120), "M3-SCREW": ("Screw M3 <x8>", 5000), "PCB-2": ("Board", 0)}

app = FastAPI(title="Inventory")


@app.get("/api/part/{part}/")
async def look_up(part: str) -> dict[str, object]:
    """Return a part and how many are in stock."""
    if part not in STOCK:
        raise HTTPException(404)
    name, in_stock = STOCK[part]
    return {"pk": part, "name": name, "in_stock": in_stock, "active": True}
