"""How far published rows may be trusted: who ran, reproduced, attacked or withdrew them."""
