"""Addresses of the experience board, under /union/."""

from django.urls import path

from doorstep.services.union.pages import board

urlpatterns = [
    path("board", board.board, name="board"),
    path("board/write", board.write, name="board-write"),
    path("board/desk", board.desk, name="board-desk"),
    path("board/<uuid:post_id>/decide", board.decide, name="board-decide"),
]
