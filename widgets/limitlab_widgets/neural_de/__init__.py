"""NeuralDEStudio: classes of neural differential equations, trained side by side on data with gaps."""
