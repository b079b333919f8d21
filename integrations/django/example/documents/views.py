import logging

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user
from django.contrib.auth.decorators import login_required
from django.contrib.auth.signals import user_logged_out
from django.core.files.storage import default_storage
from django.dispatch import receiver
from django.forms import modelform_factory
from django.http import JsonResponse
from django.shortcuts import redirect, render
from postern_downloads import PosternError

from .models import Document

DocumentForm = modelform_factory(Document, fields=["file", "preview"])


@login_required
def documents(request):
    """The documents of the user, and a form for another one."""
    form = DocumentForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        document = form.save(commit=False)
        document.owner = request.user
        document.name = request.FILES["file"].name
        document.save()
        return redirect("/")
    mine = Document.objects.filter(owner=request.user)
    return render(request, "documents.html", {"documents": mine, "form": form})


def may_read(user, name):
    """The rule of the permanent addresses /files/…."""
    return Document.objects.filter(owner_id=user.pk, file=name).exists()


async def links(request):
    """The links of the user's documents, from an asynchronous view."""
    user = await sync_to_async(get_user)(request)
    mine = Document.objects.filter(owner_id=user.pk)
    return JsonResponse({document.name: document.file.url async for document in mine})


@receiver(user_logged_out)
def revoke_links(user, **kwargs):
    if user is None:
        return
    try:
        default_storage.client.revoke_subject(str(user.pk))
    except PosternError as error:
        # The session ends after this function. The links work until they expire.
        logging.getLogger(__name__).error("Postern did not revoke the links of user %s: %s", user.pk, error)
