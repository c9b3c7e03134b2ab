"""The discovery studio's other kind of problem: fields of periodic equations in the place of trajectories."""
