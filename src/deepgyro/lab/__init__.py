"""The laboratory: what makes deepgyro and measures it; the product never imports it."""
