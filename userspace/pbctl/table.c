// SPDX-License-Identifier: GPL-2.0
/*
 * Text in columns, each as wide as what is in it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pbctl.h"
#include "table.h"

#define GAP	2

size_t text_width(const char *text)
{
	size_t width = 0;

	/* A byte that goes on with a character is not one. */
	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static void widen(struct table *table, unsigned int column, const char *text)
{
	size_t width = text_width(text);

	if (width > table->widths[column])
		table->widths[column] = width;
}

void table_begin(struct table *table, const struct column *columns,
		 unsigned int nr)
{
	unsigned int i;

	*table = (struct table){ .columns = columns, .nr_columns = nr };
	table->widths = calloc(nr, sizeof(*table->widths));
	if (!table->widths)
		fail("no memory");
	for (i = 0; i < nr; i++)
		widen(table, i, columns[i].title);
}

void table_end(struct table *table)
{
	size_t i;

	for (i = 0; i < table->nr_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table->widths);
}

void table_add(struct table *table, const char *fmt, ...)
{
	char **cells, *text;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	cells = realloc(table->cells, (table->nr_cells + 1) * sizeof(*cells));
	if (len < 0 || !cells)
		fail("no memory");
	widen(table, table->nr_cells % table->nr_columns, text);
	table->cells = cells;
	cells[table->nr_cells++] = text;
}

static void print_cell(const struct table *table, unsigned int column,
		       const char *text)
{
	bool last = column == table->nr_columns - 1;
	int pad = table->widths[column] - text_width(text);

	if (table->columns[column].right)
		printf("%*s%s", pad, "", text);
	else
		printf("%s%*s", text, last ? 0 : pad, "");
	if (!last)
		printf("%*s", GAP, "");
}

void table_print_head(const struct table *table)
{
	unsigned int i;

	for (i = 0; i < table->nr_columns; i++)
		print_cell(table, i, table->columns[i].title);
}

void table_print_row(const struct table *table, size_t row)
{
	unsigned int i;

	for (i = 0; i < table->nr_columns; i++)
		print_cell(table, i, table->cells[row * table->nr_columns + i]);
}

unsigned int table_width(const struct table *table)
{
	unsigned int i, width = 0;

	for (i = 0; i < table->nr_columns; i++)
		width += table->widths[i] + (i ? GAP : 0);
	return width;
}
