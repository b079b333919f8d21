from django.contrib.auth.decorators import login_required
from django.forms import modelform_factory
from django.shortcuts import redirect, render

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
