"""From shards to a version folder. `build` joins the steps: gather, train, fill, calibrate."""
