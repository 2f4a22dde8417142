"""What may be done in the canteen, one module per stretch of the way.

``venues``: call, papers, visit, scores, decision, agreement, open, suspend. ``programmes``: budget, voucher kinds,
dated terms. ``issuing``: push, offer, list, single, void. The modules for till, books and watch stand beside them.
"""
