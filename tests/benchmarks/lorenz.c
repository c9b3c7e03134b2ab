/* Lorenz trajectories by an explicit pair with a continuous extension, one after the other, as one writes it by hand.

   table.h has the coefficients: STAGES, DEGREE, ORDER (of the error), A (stages, stages), B, E (stages + 1), P. */
#include <math.h>
#include <string.h>

#include "table.h"

enum { N = 3 };

static inline void slope(const double *u, double *f)
{
    f[0] = 10.0 * (u[1] - u[0]);
    f[1] = u[0] * (28.0 - u[2]) - u[1];
    f[2] = u[0] * u[1] - 8.0 / 3.0 * u[2];
}

static double rms(const double *v, const double *y, double rtol, double atol)
{
    double sum = 0.0;
    for (int i = 0; i < N; i++) {
        double part = v[i] / (atol + rtol * fabs(y[i]));
        sum += part * part;
    }
    return sqrt(sum / N);
}

static double first_step(const double *y, const double *f, double span, double rtol, double atol)
{
    double size = rms(y, y, rtol, atol), speed = rms(f, y, rtol, atol), ahead[N], there[N];
    double trial = size < 1e-5 || speed < 1e-5 ? 1e-6 : 0.01 * size / speed;
    trial = fmin(trial, span);
    for (int i = 0; i < N; i++)
        there[i] = y[i] + trial * f[i];
    slope(there, ahead);
    for (int i = 0; i < N; i++)
        ahead[i] -= f[i];
    double bend = fmax(speed, rms(ahead, y, rtol, atol) / trial);
    double chosen = bend <= 1e-15 ? fmax(1e-3 * trial, 1e-6) : pow(0.01 / bend, 1.0 / ORDER);
    return fmin(100.0 * trial, chosen);
}

/* states: (batch, count, N). Returns the number of attempts. */
long trajectories(long batch, long count, const double *t, const double *y0, double rtol, double atol, double *states)
{
    long attempts = 0;
    for (long sample = 0; sample < batch; sample++) {
        double *out = states + sample * count * N, y[N], k[STAGES + 1][N];
        double now = t[0], end = t[count - 1];
        long next = 1;
        memcpy(y, y0 + sample * N, sizeof y);
        memcpy(out, y, sizeof y);
        slope(y, k[0]);
        double h = first_step(y, k[0], end - now, rtol, atol);
        while (now < end) {
            double at[N], sum = 0.0;
            int last = h >= end - now;
            if (last)
                h = end - now;
            attempts++;
            for (int stage = 1; stage <= STAGES; stage++) {
                const double *row = stage < STAGES ? A[stage - 1] : B;
                for (int i = 0; i < N; i++) {
                    double total = 0.0;
                    for (int j = 0; j < stage; j++)
                        total += row[j] * k[j][i];
                    at[i] = y[i] + h * total;
                }
                slope(at, k[stage]);
            }
            for (int i = 0; i < N; i++) {
                double error = 0.0;
                for (int j = 0; j <= STAGES; j++)
                    error += E[j] * k[j][i];
                error *= h / (atol + rtol * fmax(fabs(y[i]), fabs(at[i])));
                sum += error * error;
            }
            double error = sqrt(sum / N), factor = 0.9 * pow(error, -1.0 / ORDER);
            if (error <= 1.0) {
                double after = last ? end : now + h;
                for (; next < count - 1 && t[next] <= after; next++) {
                    double theta = (t[next] - now) / h, weight[STAGES + 1];
                    for (int j = 0; j <= STAGES; j++) {
                        weight[j] = 0.0;
                        for (int power = DEGREE - 1; power >= 0; power--)
                            weight[j] = theta * (weight[j] + P[j][power]);
                    }
                    for (int i = 0; i < N; i++) {
                        double total = 0.0;
                        for (int j = 0; j <= STAGES; j++)
                            total += weight[j] * k[j][i];
                        out[next * N + i] = y[i] + h * total;
                    }
                }
                now = after;
                memcpy(y, at, sizeof y);
                memcpy(k[0], k[STAGES], sizeof k[0]);
            }
            h *= fmin(fmax(factor, 0.2), 10.0);
        }
        memcpy(out + (count - 1) * N, y, sizeof y);
    }
    return attempts;
}
