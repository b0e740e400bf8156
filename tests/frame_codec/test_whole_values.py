import pytest

sparse = pytest.importorskip("scipy.sparse")


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.coo_array, sparse.csc_array])
def test_a_sparse_matrix(there_and_back, make):
    matrix = make([[0, 1.5], [2, 0], [0, 0]])

    got = there_and_back(matrix)

    assert type(got) is type(matrix)
    assert (got.toarray() == matrix.toarray()).all()
