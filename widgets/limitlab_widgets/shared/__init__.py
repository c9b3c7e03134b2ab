"""What every studio is built from: states, controls, panels, figures, trainings."""
