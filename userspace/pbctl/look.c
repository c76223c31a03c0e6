// SPDX-License-Identifier: GPL-2.0
/*
 * The status of several volumes.
 */
#include <errno.h>
#include <stdlib.h>

#include "pbctl.h"

/* All volumes, or those that were named; those that are gone are left out unless they must be there. */
static size_t choose(struct pb_ctl *ctl, char **names, int nr_names, bool must,
		     struct pb_ioc_dev **devs)
{
	struct pb_error err;
	size_t nr = 0;
	int i, ret;

	if (!nr_names) {
		if (pb_ctl_list(ctl, devs, &nr, &err))
			fail("%s", err.text);
		return nr;
	}
	*devs = calloc(nr_names, sizeof(**devs));
	if (!*devs)
		fail("no memory");
	for (i = 0; i < nr_names; i++) {
		ret = pb_dm_find(names[i], &(*devs)[nr], &err);
		if (ret && must)
			fail("%s", err.text);
		nr += !ret;
	}
	return nr;
}

size_t look(struct pb_ctl *ctl, char **names, int nr_names, bool must,
	    struct seen **seen)
{
	struct pb_ioc_dev *devs;
	struct pb_error err;
	size_t i, nr, have = 0;
	int ret;

	nr = choose(ctl, names, nr_names, must, &devs);
	*seen = calloc(nr + 1, sizeof(**seen));
	if (!*seen)
		fail("no memory");
	for (i = 0; i < nr; i++) {
		ret = pb_ctl_status(ctl, &devs[i], &(*seen)[have].status, &err);
		/* One of the list may have been removed since. */
		if (ret == -ENODEV && !(must && nr_names))
			continue;
		if (ret)
			fail("%s", err.text);
		pb_dm_name(&devs[i], (*seen)[have++].name);
	}
	free(devs);
	return have;
}
