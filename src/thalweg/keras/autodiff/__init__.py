"""Gradients, Hessian-vector and Gauss-Newton-vector products of a model's compiled loss, on any backend."""

from thalweg.keras.autodiff.chunked import products
from thalweg.keras.autodiff.products import Products

__all__ = ["Products", "products"]
