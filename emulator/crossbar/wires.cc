// SPDX-License-Identifier: MIT
#include "emulator/crossbar/wires.h"

#if ACC_HAVE_EIGEN
#include <Eigen/Dense>
#endif

namespace acc::emu::crossbar
{

bool have_wires()
{
    return ACC_HAVE_EIGEN;
}

#if ACC_HAVE_EIGEN
namespace
{

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

// The nodal equations are ordered by rows of the array. A row wire is eliminated first: then
// a row is what its column nodes (voltages w) and its driver (V) see of it,
//   currents into the columns = through * V - load * w,
//   current from the driver   = input * V - through^T * w   (reciprocity),
// and the column wires couple neighbouring rows alone: a block-tridiagonal system.
struct Row {
    Matrix load;    // cols x cols
    Vector through; // cols
    double input = 0;
};

Row row_wire(const Vector &g, const Wires &wires)
{
    const Eigen::Index n = g.size();
    Row row;
    if (wires.row <= 0 && wires.driver <= 0) {
        row = {g.asDiagonal(), g, g.sum()};
    } else if (wires.row <= 0) { // the whole wire is one node
        const double drive = 1 / wires.driver, all = drive + g.sum();
        row.load = -g * g.transpose() / all;
        row.load.diagonal() += g;
        row.through = g * (drive / all);
        row.input = drive - drive * drive / all;
    } else {
        const double drive = 1 / (wires.driver + wires.row), wire = 1 / wires.row;
        // Thomas' algorithm for all unit currents at once: inverse = A^-1 diag(g).
        Matrix inverse = g.asDiagonal();
        Vector diagonal(n);
        for (Eigen::Index i = 0; i < n; i++) {
            diagonal[i] = g[i] + (i ? wire : drive) + (i + 1 < n ? wire : 0);
            if (i == 0) continue;
            const double factor = wire / diagonal[i - 1];
            diagonal[i] -= factor * wire;
            inverse.row(i) += factor * inverse.row(i - 1);
        }
        inverse.row(n - 1) /= diagonal[n - 1];
        for (Eigen::Index i = n - 1; i-- > 0;)
            inverse.row(i) = (inverse.row(i) + wire * inverse.row(i + 1)) / diagonal[i];
        // A is symmetric: its first column is what the driver makes of the wire.
        row.through = drive * inverse.row(0).transpose();
        row.load = -(g.asDiagonal() * inverse);
        row.load.diagonal() += g;
        // Σ of all that leaves must enter: V alone, w = 0.
        row.input = row.through.sum();
    }
    return row;
}

Matrix inverse_of(const Matrix &m)
{
    return m.llt().solve(Matrix::Identity(m.rows(), m.cols()));
}

} // namespace

std::vector<double> effective_conductances(std::span<const double> cells, uint32_t rows,
                                           uint32_t cols, const Wires &wires,
                                           std::vector<double> *admittance)
{
    using Grid = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    std::vector<double> out(size_t{rows} * cols);
    const Eigen::Map<const Grid> g(cells.data(), rows, cols);
    Eigen::Map<Grid> effective(out.data(), rows, cols);
    constexpr double kSiemens = 1e-6;
    const auto row_of = [&](uint32_t i) {
        return row_wire(g.row(i).transpose() * kSiemens, wires);
    };
    Grid y;
    if (admittance) y = Grid::Zero(rows, rows);

    if (wires.col <= 0 && wires.sense <= 0) { // columns are virtual grounds all along
        for (uint32_t i = 0; i < rows; i++) {
            const Row row = row_of(i);
            effective.row(i) = row.through.transpose();
            if (admittance) y(i, i) = row.input;
        }
    } else if (wires.col <= 0) { // a column is one node
        Matrix load = Matrix::Identity(cols, cols) / wires.sense, through(cols, rows);
        for (uint32_t i = 0; i < rows; i++) {
            const Row row = row_of(i);
            load += row.load;
            through.col(i) = row.through;
            if (admittance) y(i, i) = row.input;
        }
        const Matrix volts = load.llt().solve(through);
        effective = volts.transpose() / wires.sense;
        if (admittance) y -= through.transpose() * volts;
    } else {
        const double wire = 1 / wires.col, last = 1 / (wires.col + wires.sense);
        const auto block = [&](uint32_t i, const Row &row) {
            Matrix m = row.load;
            m.diagonal().array() += (i ? wire : 0) + (i + 1 < rows ? wire : last);
            return m;
        };
        std::vector<Matrix> below; // of the rows after i, eliminated from the ground's side
        if (admittance) {
            below.assign(rows, Matrix());
            for (uint32_t i = rows; i-- > 1;) {
                Matrix m = block(i, row_of(i));
                if (i + 1 < rows) m -= wire * wire * below[i + 1];
                below[i] = inverse_of(m);
            }
        }
        // Column k of z: voltages of row i's column nodes for one volt at row k, as if the
        // rows after i were cut off and only their wire left.
        Matrix z = Matrix::Zero(cols, rows), above;
        for (uint32_t i = 0; i < rows; i++) {
            const Row row = row_of(i);
            Matrix m = block(i, row);
            z.leftCols(i) *= wire;
            z.col(i) = row.through;
            if (i) m -= wire * wire * above;
            if (admittance) {
                Matrix whole = m;
                if (i + 1 < rows) whole -= wire * wire * below[i + 1];
                const Vector seen = whole.llt().solve(row.through);
                const Vector currents = z.leftCols(i + 1).transpose() * seen;
                y.row(i).head(i + 1) -= currents.transpose();
                y(i, i) += row.input;
            }
            above = inverse_of(m);
            z.leftCols(i + 1) = (above * z.leftCols(i + 1)).eval();
        }
        effective = last * z.transpose();
        if (admittance) y.triangularView<Eigen::StrictlyUpper>() = y.transpose();
    }
    effective /= kSiemens;
    if (admittance) {
        y /= kSiemens;
        admittance->assign(y.data(), y.data() + y.size());
    }
    return out;
}

void float_rows(std::span<const double> admittance, const std::vector<bool> &driven,
                std::span<double> volts)
{
    const size_t rows = volts.size();
    std::vector<Eigen::Index> floating;
    for (size_t i = 0; i < rows; i++)
        if (!driven[i]) floating.push_back(static_cast<Eigen::Index>(i));
    const auto n = static_cast<Eigen::Index>(floating.size());
    if (n == 0) return;
    Matrix m(n, n);
    Vector b = Vector::Zero(n);
    for (Eigen::Index r = 0; r < n; r++) {
        const double *y = admittance.data() + static_cast<size_t>(floating[r]) * rows;
        for (Eigen::Index c = 0; c < n; c++)
            m(r, c) = y[floating[c]];
        for (size_t k = 0; k < rows; k++)
            if (driven[k]) b[r] -= y[k] * volts[k];
        m(r, r) += 1e-9; // µS: a row without any conductance stays at 0 V
    }
    const Vector x = m.llt().solve(b);
    for (Eigen::Index r = 0; r < n; r++)
        volts[static_cast<size_t>(floating[r])] = x[r];
}

#else

std::vector<double> effective_conductances(std::span<const double> cells, uint32_t, uint32_t,
                                           const Wires &, std::vector<double> *)
{
    return {cells.begin(), cells.end()};
}

void float_rows(std::span<const double>, const std::vector<bool> &, std::span<double>) {}

#endif

} // namespace acc::emu::crossbar
